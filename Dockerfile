# The service in a container. Its log lines go to stdout (the layer `container` of logging.yaml), and it runs as an
# unprivileged user. The second stage copies only the files that the service needs.
FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /opt/venv
COPY requirements-production.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-production.txt
COPY manage.py logging.yaml ./
COPY observability observability
COPY settings settings
COPY service service
# collectstatic needs values for the required settings. These values are not stored in the image.
RUN DJANGO_SETTINGS_MODULE=settings.production LOGGING_LAYERS=production,container STATIC_ROOT=/app/static \
    DATABASE_URL=sqlite://:memory: ALLOWED_HOSTS=localhost \
    SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" \
    /opt/venv/bin/python manage.py collectstatic --noinput && chmod -R a+rX static

FROM python:3.13-slim
RUN useradd --system --home-dir /app --shell /usr/sbin/nologin service && \
    install --directory --owner=service --mode=700 /var/lib/sentry-spool /var/lib/login-failures
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# The version in Sentry events: `docker build --build-arg RELEASE=$(git rev-parse --short HEAD) .`
ARG RELEASE=""
ENV PATH=/opt/venv/bin:$PATH \
    RELEASE=$RELEASE \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=settings.production \
    LOGGING_LAYERS=production,container \
    STATIC_ROOT=/app/static \
    SENTRY_SPOOL_DIR=/var/lib/sentry-spool \
    LOGIN_FAILURES_DIR=/var/lib/login-failures \
    HOST=0.0.0.0 \
    PORT=8000
USER service
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(r.Request(f\"http://127.0.0.1:{os.environ['PORT']}/livez\", headers={'Host': os.environ['ALLOWED_HOSTS'].split(',')[0]}), timeout=4)"]
# Pass SECRET_KEY, ALLOWED_HOSTS and DATABASE_URL with `docker run --env`; see docs/production.md.
CMD ["gunicorn", "--config", "settings/gunicorn.py", "--worker-tmp-dir", "/dev/shm"]
