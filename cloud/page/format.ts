/** Numbers and times for people. */

const whole = new Intl.NumberFormat("en");

export function count(value: number): string {
  return whole.format(value);
}

export function fixed(value: number | null | undefined, digits: number): string {
  // A proper minus sign is as wide as a digit.
  return value === undefined || value === null ? "–" : value.toFixed(digits).replace("-", "−");
}

/** "4 s", "3 min", "2 h 5 min", "6 d 3 h" */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

export function ago(time: number, now: number): string {
  const seconds = (now - time) / 1000;
  if (seconds < 3) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  const minutes = seconds / 60;
  if (minutes < 60) return `${Math.floor(minutes)} min ago`;
  const hours = minutes / 60;
  return hours < 48 ? `${Math.floor(hours)} h ago` : `${Math.floor(hours / 24)} d ago`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** "14:03:22", with the day when it is another one. */
export function moment(time: number, now: number): string {
  const text = clock.format(time);
  return new Date(time).toDateString() === new Date(now).toDateString()
    ? text
    : `${date.format(time)} ${text}`;
}

/** "wrong-tag" as "Wrong tag" */
export function title(reason: string): string {
  const words = reason.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Its beginning, where there is no room for all of it. */
export function shortened(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** "−97" */
export function signed(value: number): string {
  return `${value}`.replace("-", "−");
}

/** V */
export function volts(value: number | null | undefined): string {
  return `${fixed(value, 2)} V`;
}
