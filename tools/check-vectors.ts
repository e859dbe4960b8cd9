// Runs the parser of the hello over files of vectors: `node tools/check-vectors.ts FILE...`. Prints a line for each failure and
// `N passed, N failed`; exits 1 when one failed and 64 without a file. The formats are in test/vectors/vectors.ts.
import { readVectors, verdictOf } from "../test/vectors/vectors.ts";

const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write("Usage: node tools/check-vectors.ts FILE...\n");
  process.exit(64);
}

let passed = 0;
let failed = 0;
for (const file of files) {
  for (const vector of readVectors(file)) {
    const problem = vector.judge(verdictOf(vector.bytes));
    if (problem === null) passed++;
    else {
      failed++;
      process.stdout.write(`${file}: ${vector.id}: ${problem}\n`);
    }
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
