#!/usr/bin/env node
// Plain CommonJS that any old Node can read, so that one too old says so in a line (the package.json beside it makes it CommonJS).
"use strict";
require("../../../tools/require-node.cjs");
import("../src/main.ts");
