# One image a service: `docker build --build-arg SERVICE=booking -t slotwright/booking .`
# SERVICE is a service's name, `operator`, or `stripe-standin`. What every service needs is installed first and in the
# same way for each, so that images share those layers; the last layer holds what only this service adds.
# Works with and without BuildKit.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS tools
ARG UV_VERSION=0.13.9
RUN python -m pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never UV_NO_EDITABLE=1 \
    UV_FROZEN=1 UV_NO_DEV=1 UV_PROJECT_ENVIRONMENT=/opt/slotwright
WORKDIR /src

# What others wrote, then the two libraries of ours.
FROM tools AS common
COPY pyproject.toml uv.lock ./
COPY libs/contracts/pyproject.toml libs/contracts/
COPY libs/servicekit/pyproject.toml libs/servicekit/
RUN uv sync --package slotwright-servicekit --no-install-workspace
COPY libs libs
RUN uv sync --package slotwright-servicekit

# Only what this service adds stands in /delta.
FROM common AS service
ARG SERVICE
COPY . .
RUN test -n "${SERVICE}" || { echo "name the service: --build-arg SERVICE=booking" >&2; exit 1; } \
 && touch /stamp && sleep 1 \
 && uv sync --package "slotwright-${SERVICE}" --inexact \
 # The Kubernetes client is 75 MB of generated source: its bytecode is enough.
 && for generated in /opt/slotwright/lib/python3*/site-packages/kubernetes/client \
                     /opt/slotwright/lib/python3*/site-packages/kubernetes/aio/client; do \
      if [ -d "${generated}" ]; then \
        /opt/slotwright/bin/python -m compileall -q -b "${generated}" \
        && find "${generated}" \( -name '*.py' -o -name __pycache__ \) -prune -exec rm -r {} +; \
      fi || exit 1; \
    done \
 && mkdir -p /delta \
 && find /opt/slotwright -cnewer /stamp ! -type d -print0 | tar --null --files-from=- -cf - | tar -C /delta -xf - \
 && case "${SERVICE}" in operator) module=tenant_operator ;; *) module=$(printf %s "${SERVICE}" | tr - _) ;; esac \
 && mkdir -p /delta/usr/local/bin \
 && printf '#!/bin/sh\nexec /opt/slotwright/bin/python -m %s "$@"\n' "${module}" > /delta/usr/local/bin/service \
 && chmod 755 /delta/usr/local/bin/service

FROM ${PYTHON} AS runtime
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin slotwright
ENV PATH=/opt/slotwright/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    SLOTWRIGHT_HOST=0.0.0.0 SLOTWRIGHT_PORT=8000
# psycopg's wheel has an OpenSSL of its own, which would look for authorities in a folder that there is nowhere.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
COPY --from=common /opt/slotwright /opt/slotwright
USER 10001:10001
EXPOSE 8000

FROM runtime
ARG SERVICE
ARG VERSION=0.0.0
ARG REVISION=unknown
COPY --from=service /delta/ /
LABEL org.opencontainers.image.title="slotwright-${SERVICE}" \
      org.opencontainers.image.description="Slotwright's ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Slotwright"
ENTRYPOINT ["service"]
CMD ["all"]
