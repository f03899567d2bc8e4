/**
 * ASCII's letters in lower case, everything else as it is: how hosts of URIs (RFC 7252 §6.4) and domain names (RFC 4343)
 * are compared. `toLowerCase` knows all of Unicode, by tables of 9 KB in a board's image.
 */
export function asciiLowerCase(text: string): string {
  let lower = "";
  for (const character of text) {
    lower +=
      character >= "A" && character <= "Z" ? String.fromCharCode(character.charCodeAt(0) | 0x20) : character;
  }
  return lower;
}
