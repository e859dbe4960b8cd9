#!/usr/bin/env node
// Plain CommonJS that any old Node can read, so that one too old says so in a line (the package.json beside it makes it CommonJS).
"use strict";
require("../../../tools/require-node.cjs");
// Compiled code is kept beside the dependencies rather than in Node's default place below /tmp, which others can write to.
var cache = require("node:path").join(__dirname, "../../../node_modules/.cache/helloway");
require("node:module").enableCompileCache(cache);
// For worker threads, which ask the environment alone.
// oxlint-disable-next-line node/no-process-env -- set for Node, read by nothing of ours
process.env.NODE_COMPILE_CACHE = cache;
import("../src/main.ts");
