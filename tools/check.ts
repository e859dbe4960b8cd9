// The gate: `npm run check`. Everything that can be known about the repository without a database or a process, in about a minute.
// With --without-tests the unit tests are left out, for whoever runs all tests next.
import { checkGenerated, checkLockfile, checkMigrations } from "./checks.ts";
import { run } from "./run.ts";

interface Step {
  name: string;
  check: () => Promise<unknown>;
}

/** The longest first, so that the shorter ones fill the gaps. */
const steps: Step[] = [
  { name: "unit tests", check: () => run("vitest", ["run", "--project", "unit", "--reporter", "minimal"]) },
  { name: "lint", check: () => run("oxlint", ["--deny-warnings"]) },
  { name: "types", check: () => run("tsc", ["-p", "."]) },
  { name: "migrations", check: checkMigrations },
  { name: "generated", check: checkGenerated },
  { name: "format", check: () => run("oxfmt", ["--check"]) },
  { name: "lockfile", check: checkLockfile },
];

/** More at once only makes each slower: the tests and the type checker use several threads themselves. */
const atOnce = 2;

const startedAt = performance.now();
const withTests = !process.argv.includes("--without-tests");
const waiting = steps.filter(({ name }) => withTests || name !== "unit tests");
let failed = 0;

async function work(): Promise<void> {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const stepStartedAt = performance.now();
    let problem: string | null = null;
    try {
      await step.check();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
      failed += 1;
    }
    console.log(`${problem === null ? "ok    " : "FAILED"} ${step.name.padEnd(12)} ${seconds(stepStartedAt)}`);
    if (problem !== null) console.log(`${problem.replace(/^/gm, "    ")}\n`);
  }
}

function seconds(from: number): string {
  return `${((performance.now() - from) / 1000).toFixed(1).padStart(5)} s`;
}

await Promise.all(Array.from({ length: atOnce }, work));
console.log(`${failed === 0 ? "ok    " : "FAILED"} ${"in all".padEnd(12)} ${seconds(startedAt)}`);
process.exitCode = failed === 0 ? 0 : 1;
