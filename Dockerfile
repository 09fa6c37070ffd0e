# The radio in a container; docs/serving.md explains how to run it. The page and the package are built in separate stages,
# so that the image contains neither Node nor build tools.
FROM node:22-bookworm-slim AS page
WORKDIR /build
COPY web/package.json web/package-lock.json web/
RUN npm --prefix web ci --no-audit --no-fund --ignore-scripts
COPY web web
RUN mkdir -p src/playbach/server && npm --prefix web run build

FROM python:3.12-slim-bookworm AS package
WORKDIR /build
COPY pyproject.toml setup.py README.md LICENSE constraints.txt ./
COPY src src
COPY --from=page /build/src/playbach/server/page src/playbach/server/page
RUN python -m venv /opt/playbach \
    && PLAYBACH_NO_PAGE=1 /opt/playbach/bin/pip install --no-cache-dir -c constraints.txt '.[serve]'

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /models --shell /usr/sbin/nologin playbach \
    && mkdir /models && chown playbach /models
COPY --from=package /opt/playbach /opt/playbach
ENV PATH=/opt/playbach/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER playbach
WORKDIR /models
VOLUME /models
EXPOSE 8000
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/ping', timeout=4)"]
ENTRYPOINT ["playbach", "serve", "--host", "0.0.0.0"]
CMD []
