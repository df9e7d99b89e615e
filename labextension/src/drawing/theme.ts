/** Whether the page is dark, and news of it: JupyterLab, VS Code, else the system's setting. */

export function isDark(): boolean {
  const body = document.body;
  const jupyter = body.getAttribute("data-jp-theme-light");
  if (jupyter !== null) {
    return jupyter === "false";
  }
  const vscode = body.getAttribute("data-vscode-theme-kind");
  if (vscode !== null) {
    return vscode.includes("dark") || vscode === "vscode-high-contrast";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls back when the theme changes; returns what ends it. */
export function onTheme(callback: () => void): () => void {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"] });
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", callback);
  };
}
