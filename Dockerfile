# One image for both processes: the API (default command) and the worker.
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# Optional packages hold the embedded Postgres: here Postgres is a container of its own.
RUN npm run build && npm prune --omit=dev --omit=optional

FROM node:22-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/prisma ./prisma
COPY --from=build /app/openapi ./openapi
USER node
VOLUME /data
EXPOSE 8080
# Node is process 1 and gets SIGTERM itself: both entries drain and stop on it.
CMD ["node", "dist/src/server.js"]
