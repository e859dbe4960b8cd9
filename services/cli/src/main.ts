import { CommanderError } from "commander";
import { createProgram } from "./program.ts";

/** sysexits(3) EX_USAGE, as the contract promises. */
const usageExitCode = 64;

try {
  await createProgram(process.env).parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; help and version are no errors.
  process.exitCode = error.exitCode === 0 ? 0 : usageExitCode;
}
