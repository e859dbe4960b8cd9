import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// unit: fast, no database, no processes (part of `npm run check`). database: on the embedded database and on a real Postgres.
// conformance: what any Relay must do, over real sockets. e2e: real processes.
const project = (name: string, include: string[], exclude: string[] = [], extra: Record<string, unknown> = {}) => ({
  extends: true as const,
  test: { name, include, exclude: ["**/node_modules/**", ...exclude], ...extra },
});

const database = "{runtime,proto,agents,services,infra,tools,test}/**/*.db.test.ts";

/** By how long their files take: what takes minutes must not begin when everything else is done. */
const longestFirst = [/conformance\/node-relay-(one|four)/, /conformance\//, /e2e\//, /\.db\.test/, /./];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => longestFirst.findIndex((each) => each.test(moduleId));
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    environment: "node",
    // A busy machine may take longer than the second that is the default; a poll ends as soon as it holds.
    expect: { poll: { timeout: 20_000 } },
    // For threads that tests start themselves; why is said in agents/edge/src/relay/worker/worker-thread.ts.
    execArgv: ["--wasm-wrapper-tiering-budget=2147483647"],
    projects: [
      // Nothing of ours keeps state in a module, so files may share what they import: that is most of what they would cost.
      project("unit", ["{runtime,proto,agents,services,infra,tools}/**/*.test.ts"], [database], {
        isolate: false,
        // Threads that play out a hundred thousand connections need seconds where both cores have other work, too.
        testTimeout: 60_000,
      }),
      project("database", [database], [], {
        isolate: false,
        globalSetup: ["test/harness/global-setup.ts"],
        testTimeout: 60_000,
        hookTimeout: 60_000,
      }),
      project("conformance", ["test/conformance/**/*.test.ts"], [database], {
        testTimeout: 120_000,
        hookTimeout: 60_000,
        // Most of what a test waits for here happens within a few milliseconds.
        expect: { poll: { timeout: 20_000, interval: 10 } },
        // Workers of engines load compiled code, as in the agent.
        env: { NODE_COMPILE_CACHE: "node_modules/.cache/helloway" },
      }),
      project("e2e", ["test/e2e/**/*.test.ts"], [database], {
        globalSetup: ["test/harness/global-setup.ts"],
        testTimeout: 120_000,
        hookTimeout: 120_000,
      }),
    ],
  },
});
