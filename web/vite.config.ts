/* How the page is built: into the package, so that `playbach serve` finds it. Nothing is inlined, as the server's content
   policy allows no data: or inline script; for development the server of /api, /live.mp3 and the WebSocket is proxied. */
import { defineConfig } from "vitest/config";

const server = "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/playbach/server/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "assets/licences.md" },
    target: ["es2022", "safari16"],
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": server,
      "/live.mp3": server,
      "/soundfont": server,
      "/sound-test.mp3": server,
      "/ws": { target: server, ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
