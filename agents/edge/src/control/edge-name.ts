const nameLengthMax = 253;

/** As the control plane takes them: 1 to 253 of a-z, 0-9, hyphen and dot, a letter or digit at either end. */
export function isEdgeName(text: string): boolean {
  return text.length <= nameLengthMax && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(text);
}

/** The name that a host gives its edge: its own in lower case, whatever no edge name has made a hyphen; null when nothing is usable. */
export function edgeNameOfHost(hostname: string): string | null {
  const name = hostname
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, nameLengthMax)
    .replace(/^[.-]+|[.-]+$/g, "");
  return isEdgeName(name) ? name : null;
}
