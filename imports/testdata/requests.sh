#!/bin/sh
# Commands as browsers copy them ("Copy as cURL (bash)") and as documentation has them: https://curl.se/docs/manpage.html
HOST=https://api.example.com
curl -sS "$HOST/v1/items/17?expand=all" -H 'Accept: application/json' -H "Authorization: Bearer $TOKEN" | jq .
curl 'https://api.example.com/v1/orders?api_key=4f9c2d7e81aa0b3c' \
  -H 'accept: application/json' \
  -H 'content-type: application/json' \
  -b 'session=8c1f0e7a5b; theme=dark' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64)' \
  --data-raw $'{"note":"it\'s {{urgent}}","password":"hunter2secret","price":"${12}"}' \
  --compressed --insecure
curl -u 'ann:correct horse' -X DELETE "$HOST/v1/items/17" --max-time 2.5
curl -L -G "$HOST/v1/search" --data-urlencode 'q=two words & more' -d page=2
curl -F 'name=Ann Ö' -F 'photo=@photo.jpg;type=image/jpeg' "$HOST/v1/profile"
curl -T big.bin "$HOST/v1/upload"
curl https://other.example.net/
