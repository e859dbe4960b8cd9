/** The country that a record of a Country or City file names: upper-case ISO 3166-1 alpha-2, or null. @param record untrusted. */
export function countryIn(record: unknown): string | null {
  // Where the network is used, not where it is registered: that is what a rule about countries means.
  const code = fieldOf(fieldOf(record, "country"), "iso_code");
  return typeof code === "string" && /^[A-Za-z]{2}$/.test(code) ? code.toUpperCase() : null;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
