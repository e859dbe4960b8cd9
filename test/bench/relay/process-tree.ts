// What a process and all below it use, as the kernel accounts it.
import { readdirSync, readFileSync } from "node:fs";

/** utime and stime of /proc are in these; Linux shows 100 a second to every process, whatever it counts in itself. */
const TICK_MICROSECONDS = 10_000;
const PAGE_BYTES = 4_096;

/** The process itself first; only those that are still there. */
export function processTree(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const children = tasks.flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" "));
    return [pid, ...children.filter((each) => each.trim() !== "").flatMap((each) => processTree(Number(each)))];
  } catch {
    return [];
  }
}

/** Microseconds of CPU that the tree has used, in user mode and in the kernel, all threads; in steps of 10 ms. */
export function cpuMicroseconds(pid: number): number {
  const ticks = processTree(pid).map((each) => {
    const fields = statFields(each);
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return sum(ticks) * TICK_MICROSECONDS;
}

/** Bytes of memory that the tree has resident; what its processes share counts in each. */
export function residentBytes(pid: number): number {
  return sum(processTree(pid).map((each) => Number(statFields(each)[21] ?? 0))) * PAGE_BYTES;
}

/** Of /proc/PID/stat, from the third field (state) on: the second may contain anything, but it ends with the last bracket. */
function statFields(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
