#!/usr/bin/env bash
# Answers each text with the same text, in lines of JSON-RPC. Needs bash and jq.
#
#     echo.sh [--home DIR]
set -euo pipefail
coproc sealpost "$@" rpc

waiting=() # notifications that came before an answer

call() { # METHOD PARAMETERS: waits for the answer, and ends the script if it is an error
  jq -nc --arg method "$1" --argjson params "$2" '{jsonrpc: "2.0", id: 1, $method, $params}' >&"${COPROC[1]}"
  while true; do
    read -r answer <&"${COPROC[0]}"
    jq -e .method <<< "$answer" > /dev/null || break
    waiting+=("$answer")
  done
  ! jq -er .error.message <<< "$answer" >&2
}

call subscribeReceive '{"consumer": "echo"}'
while true; do
  (( ${#waiting[@]} )) || { read -r line <&"${COPROC[0]}"; waiting+=("$line"); }
  notification=${waiting[0]} waiting=("${waiting[@]:1}")
  answer_to=$(jq -c '
    select(.method == "receive").params
    | .consumer as $consumer | .place as $place | .event.message
    | select(.body.text)
    | {recipient: .conversation, message: .body.text, idempotencyKey: "\($consumer)-\($place)"}
  ' <<< "$notification")
  [[ -z $answer_to ]] || call send "$answer_to"
  done_with=$(jq -c 'select(.method == "receive").params | {consumer, upTo: .place}' <<< "$notification")
  [[ -z $done_with ]] || call acknowledge "$done_with"
done
