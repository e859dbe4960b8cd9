#!/usr/bin/env node
// Plain CommonJS that any old Node can read, so that one too old says so in a line (the package.json beside it makes it CommonJS).
"use strict";
require("../../../tools/require-node.cjs");
// Compiled code is kept beside the dependencies rather than in Node's default place below /tmp, which others can write to.
require("node:module").enableCompileCache(
  require("node:path").join(__dirname, "../../../node_modules/.cache/helloway"),
);
import("../src/main.ts");
