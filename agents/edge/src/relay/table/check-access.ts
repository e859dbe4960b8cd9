import type { Access } from "@helloway/proto/table";
import { type CompiledAccess, compileAccess } from "@helloway/routing/access";
import { checkCountries, checkNetworks } from "./check-lists.ts";
import { type Checked, refused, served } from "./refusal.ts";

/** TLS 1.0 to 1.3. */
const VERSION_MIN = 0x0301;
const VERSION_MAX = 0x0304;

/** Who may use a route; null: everybody. */
export function checkAccessOf(access: Access | undefined, geo: boolean): Checked<CompiledAccess | null> {
  if (!access) return served(null);
  const { minTlsVersion } = access;
  const allow = checkNetworks("access.allow", access.allow, "bad_access");
  if (!allow.ok) return allow;
  const deny = checkNetworks("access.deny", access.deny, "bad_access");
  if (!deny.ok) return deny;
  const allowCountries = checkCountries("access.allowCountries", access.allowCountries, "bad_access", geo);
  if (!allowCountries.ok) return allowCountries;
  const denyCountries = checkCountries("access.denyCountries", access.denyCountries, "bad_access", geo);
  if (!denyCountries.ok) return denyCountries;
  // As with an unknown value of an enum: a version that is not known here may be a stricter one.
  if (minTlsVersion !== 0 && (minTlsVersion < VERSION_MIN || minTlsVersion > VERSION_MAX))
    return refused("unknown_value", `access.minTlsVersion ${minTlsVersion} is unknown.`);
  return served(
    compileAccess({
      allow: allow.value,
      deny: deny.value,
      allowCountries: allowCountries.value,
      denyCountries: denyCountries.value,
      minTlsVersion,
    }),
  );
}
