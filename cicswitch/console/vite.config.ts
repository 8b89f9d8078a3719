import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

// The switch serves what is built under /console/, and nothing is asked of any other host.
export default defineConfig({
  base: "/console/",
  plugins: [preact()],
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, sourcemap: false },
  server: { proxy: { "/api": { target: "http://127.0.0.1:8080", ws: true } } },
});
