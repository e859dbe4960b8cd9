// Plain CommonJS on purpose: it must run on any old Node and say one clear line there.
"use strict";
var major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    "Helloway needs Node 24 or later and this is Node " +
      process.versions.node +
      ". On Linux (x64 or arm64, glibc) `npm ci` brings it along; elsewhere install Node 24 and run this again.\n",
  );
  process.exit(1);
}
