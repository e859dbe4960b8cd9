/** The longest that a timer of Node's can wait; a longer one would run out at once. */
export const TIMER_MAX_MS = 0x7fff_ffff;
