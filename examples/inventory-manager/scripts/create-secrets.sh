#!/bin/sh
# Puts the credentials of the database into the cluster, from the environment. Run once, before the first deploy:
#   MONGO_USERNAME=inventory MONGO_PASSWORD=… scripts/create-secrets.sh
set -eu
: "${MONGO_USERNAME:?is not set}" "${MONGO_PASSWORD:?is not set}"
namespace=inventory-manager

kubectl apply -f "$(dirname "$0")/../k8s/namespace.yaml"
# Through standard input: an argument list can be read by everybody on the machine.
kubectl apply -f - <<EOT
apiVersion: v1
kind: Secret
metadata:
  name: inventory-manager-secrets
  namespace: $namespace
data:
  MONGO_USERNAME: $(printf %s "$MONGO_USERNAME" | base64 | tr -d '\n')
  MONGO_PASSWORD: $(printf %s "$MONGO_PASSWORD" | base64 | tr -d '\n')
EOT
