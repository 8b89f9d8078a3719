import { defineConfig } from "vite";

// One file for one script tag; it is put beside the console's, which is built before.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "dist",
    emptyOutDir: false,
    sourcemap: false,
    lib: {
      entry: "src/widget.ts",
      formats: ["iife"],
      name: "cicswitch",
      fileName: () => "widget.js",
    },
  },
});
