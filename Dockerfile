# The Sealpost server in an image without a shell or a package manager. Build and run it:
#
#   docker build -t sealpost .
#   docker run -d --name sealpost -p 7465:7465 -v sealpost:/data sealpost
#   docker exec sealpost sealpostd address --host chat.example.org
#
# The volume keeps everything. docs/OPERATING.md describes the settings; SEALPOST_… variables can be passed with -e.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin sealpostd && mkdir /empty

# glibc and nothing else: SQLite and the cryptography are linked into the program.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/sealpostd /usr/bin/sealpostd
COPY --from=build --chown=nonroot:nonroot --chmod=0700 /empty /data
USER nonroot
VOLUME /data
EXPOSE 7465
ENV SEALPOST_DATA=/data SEALPOST_LISTEN=0.0.0.0:7465
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/sealpostd", "health"]
ENTRYPOINT ["/usr/bin/sealpostd"]
