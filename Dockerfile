# The Sealpost server in an image without a shell or a package manager. Build and run it:
#
#   docker build -t sealpost .
#   docker run -d --name sealpost -p 7465:7465 -v sealpost:/data sealpost
#   docker exec sealpost sealpostd invite create --host chat.example.org
#
# The volume keeps everything. The server registers nobody without an invitation; -e SEALPOST_… changes that and any other
# setting of docs/OPERATING.md, for example -e SEALPOST_TLS_CERTIFICATE=/tls/fullchain.pem.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked -p sealpost-programs --bin sealpostd && mkdir /empty

# glibc and nothing else: SQLite and the cryptography are linked into the program.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/sealpostd /usr/bin/sealpostd
# A new volume gets the owner and the mode of this folder.
COPY --from=build --chown=nonroot:nonroot --chmod=0700 /empty /data
USER nonroot
VOLUME /data
EXPOSE 7465
# No variable of another name may begin with SEALPOST_: the server would refuse it.
ENV SEALPOST_DATA=/data SEALPOST_LISTEN=0.0.0.0:7465 SEALPOST_REGISTRATION_MODE=invite
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/bin/sealpostd", "health"]
ENTRYPOINT ["/usr/bin/sealpostd"]
# Makes the data folder if the volume is new.
CMD ["--init"]
