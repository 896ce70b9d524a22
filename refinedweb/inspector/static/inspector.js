// Keyboard shortcuts: each key does what a link or button does.
"use strict";
const help = document.getElementById("help");
const targets = { j: "after", k: "before", r: "again", m: "mark", e: "explain" };

function openHelp() {
  if (!help.open) help.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("words").focus();
  } else if (event.key === "?") {
    openHelp();
  } else if (event.key in targets) {
    const target = document.getElementById(targets[event.key]);
    if (target !== null) target.click();
  }
});

document.getElementById("help-button")?.addEventListener("click", openHelp);
document.getElementById("stage").addEventListener("change", (event) => {
  const reason = document.getElementById("reason");
  if (reason !== null) reason.value = "";
  event.target.form.requestSubmit();
});
document.getElementById("reason")?.addEventListener("change", (event) => event.target.form.requestSubmit());
document.querySelector("#list [aria-current]")?.scrollIntoView({ block: "nearest" });
