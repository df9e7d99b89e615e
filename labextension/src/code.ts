/** Whether the text of a cell still says what ran. Only for show: what is valid, the kernel decides. */

const STRING = /"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\[\s\S]|[^"\\\n])*"|'(?:\\[\s\S]|[^'\\\n])*'|#[^\n]*/g;
/** Options of a task that count for what it comes to. */
const COUNTS = /--(?:in|out|after|files)(?:[ \t]+|=)\S+/g;
const HOLE = "\u0001";

/** Whether two texts of a task cell differ by more than comments, blank lines and spaces. */
export function isEdited(then: string, now: string): boolean {
  return then.trim() !== now.trim() && meaning(then) !== meaning(now);
}

function meaning(cell: string): string {
  const [head = "", ...body] = cell.trim().split("\n");
  const strings: string[] = [];
  const code = body.join("\n").replace(STRING, found => {
    if (found.startsWith("#")) {
      return "";
    }
    strings.push(found);
    return HOLE;
  });
  const lines = code.split("\n").map(line => indentation(line) + tight(line.trim()));
  return [...(head.match(COUNTS) ?? []), ...lines.filter(line => line.trim()), ...strings].join("\n");
}

function indentation(line: string): string {
  return /^[ \t]*/.exec(line)?.[0] ?? "";
}

/** Without the spaces that only part words from signs. */
function tight(line: string): string {
  return line.replace(/[ \t]+/g, (_, at: number) => (/\w$/.test(line.slice(0, at)) && /^[ \t]+\w/.test(line.slice(at)) ? " " : ""));
}
