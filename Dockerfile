# syntax=docker/dockerfile:1
# The bot: one static binary, and the tools its stages run with. Runs as an ordinary user.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=unknown
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" \
    -o /slipway ./cmd/bot

FROM python:3.13-slim-bookworm
# git fetches, bubblewrap keeps the repositories' code apart; python is what the example's stages run.
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap ca-certificates git tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/slipway --create-home slipway
COPY --from=build /slipway /usr/local/bin/slipway
USER 10001:10001
WORKDIR /var/lib/slipway
ENV SLIPWAY_DATA_DIR=/var/lib/slipway/data SLIPWAY_SECRETS=dir:/etc/slipway/secrets
VOLUME /var/lib/slipway
EXPOSE 8080
# tini reaps what stages leave behind; the runners outlive a restart of the bot only where the container does.
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/slipway"]
CMD ["serve"]
