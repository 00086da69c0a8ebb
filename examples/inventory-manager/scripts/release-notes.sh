#!/usr/bin/env bash
# Says, in the check and for whoever reads it later, what an environment runs from now on. It is the last stage of a deploy.
set -euo pipefail

{
  echo "**Inventory Manager is in ${SLIPWAY_ENVIRONMENT}.**"
  echo
  echo "| | |"
  echo "| --- | --- |"
  echo "| Commit | \`${SLIPWAY_SHA}\` |"
  echo "| Image | \`${SLIPWAY_IMAGE:-none was built}\` |"
  echo "| Asked for by | ${SLIPWAY_ACTOR} |"
  echo "| Run | #${SLIPWAY_RUN} |"
  echo
  echo "It answers at \`/health\`, \`/ready\` and \`/api/items\`; \`/metrics\` has its figures."
} >>"$SLIPWAY_SUMMARY"
echo "Inventory Manager ${SLIPWAY_SHA:0:12} is in ${SLIPWAY_ENVIRONMENT}."
