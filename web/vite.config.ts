/* Builds the page into the Python package, where `playbach serve` finds it. Nothing is inlined, since the server's content
   security policy allows no inline scripts. `npm run dev` forwards the page's requests to a running `playbach serve`. */
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
    target: ["es2022", "safari16.4"],
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    reportCompressedSize: false,
    rolldownOptions: {
      input: {
        index: "index.html", tune: "tune.html", "blind-test": "blind-test.html", sw: "src/offline/sw.ts",
      },
      // A service worker must lie beside the page, under a name that does not change.
      output: { entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": server,
      "/live.mp3": server,
      "/sounds": server,
      "/sound-test.mp3": server,
      "/ws": { target: server, ws: true },
      "/duet": { target: server, ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
