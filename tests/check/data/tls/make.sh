#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the certificates of this folder anew, with OpenSSL 3. The authority's
# key is not kept: a change to one of them is a change to all.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

past=20200101000000Z
future=21200101000000Z
spdx='SPDX-License-Identifier: LGPL-2.1-or-later'

cat >ca.conf <<'END'
[ca]
default_ca = ours
[ours]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
x509_extensions = leaf
[any]
organizationName = optional
commonName = supplied
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
END
: >index.txt

# request NAME SUBJECT [ALTERNATIVE NAMES]: a key and what it wants signed.
request() {
  openssl ecparam -name prime256v1 -genkey -noout |
    openssl pkcs8 -topk8 -nocrypt -out "$1.key"
  openssl req -new -key "$1.key" -subj "$2" ${3:+-addext "subjectAltName=$3"} \
    -out "$1.csr"
}

# sign NAME FROM TO OPTIONS…: the request's certificate.
sign() {
  name=$1 from=$2 to=$3
  shift 3
  openssl ca -batch -notext -config ca.conf -in "$name.csr" -out "$name.crt" \
    -startdate "$from" -enddate "$to" "$@" 2>/dev/null
}

# server NAME FROM TO ALTERNATIVE NAMES [OPTIONS…]: key and certificate.
server() {
  name=$1 from=$2 to=$3 names=$4
  shift 4
  request "$name" "/O=gst-sis tests/CN=$name" "$names"
  [ $# -gt 0 ] || set -- -cert ca.crt -keyfile ca.key
  sign "$name" "$from" "$to" "$@"
  { echo "$spdx"; cat "$name.crt" "$name.key"; } >"$here/$name.pem"
}

local='DNS:localhost,IP:127.0.0.1,IP:::1'

request ca '/O=gst-sis tests/CN=authority'
sign ca $past $future -selfsign -keyfile ca.key -extensions authority
{ echo "$spdx"; cat ca.crt; } >"$here/ca.pem"

server good $past $future "$local"
server expired $past 20210101000000Z "$local"
server not-yet 21000101000000Z $future "$local"
server wrong-host $past $future 'DNS:example.org'
server self-signed $past $future 'DNS:localhost,IP:127.0.0.1' \
  -selfsign -keyfile self-signed.key
