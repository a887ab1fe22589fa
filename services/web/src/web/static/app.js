// What a page does beyond its HTML: everything works without it, except reading an invitation's token by itself.
"use strict";

function ownZone(root) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  for (const link of root.querySelectorAll("a[data-own-zone]")) {
    if (!zone || zone === link.dataset.zone) continue;
    link.href = link.dataset.ownZone.replace("ZONE", encodeURIComponent(zone));
    link.textContent = `Show them in ${zone.replaceAll("_", " ")}`;
    link.hidden = false;
  }
  for (const field of root.querySelectorAll("select[data-zone-field]")) {
    if (zone && !field.dataset.chosen && field.querySelector(`option[value="${CSS.escape(zone)}"]`)) field.value = zone;
  }
}

// The token stands behind the '#', so that no server and no log sees it before the form is sent.
function linkToken() {
  const field = document.querySelector("input[data-link-token]");
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!field || !token) return;
  field.value = token;
  field.closest(".field").hidden = true;
  history.replaceState(null, "", location.pathname);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once]")) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  // Who stops loading stays here, which no event tells. What is sent twice takes effect once.
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});
// Coming back by the back button: the form may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
// Said before it is sent: what is far too large would be refused before the page behind the form could say so.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.matches("input[data-most-bytes]")) return;
  const most = Number(field.dataset.mostBytes);
  const large = [...field.files].some((file) => file.size > most);
  field.setCustomValidity(large ? `This file is too large: it may have ${most / 1024} KB.` : "");
  field.reportValidity();
});
// Of an answer htmx takes the part alone that has the id of what it stands in for. Where there is none (another page:
// signed out, say) the browser goes itself to what was asked for, and not to where that led: the notice that says why
// went with the first answer. So it does for the picker where there is an error, or no answer; what looks by itself
// whether it is ready yet just looks again.
function goThere(event) {
  event.preventDefault();
  location.assign(event.detail.pathInfo.finalRequestPath);
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, isError, serverResponse } = event.detail;
  if (isError ? target.id === "picker" : !serverResponse.includes(`id="${target.id}"`)) goThere(event);
});
document.addEventListener("htmx:sendError", (event) => { if (event.detail.target.id === "picker") goThere(event); });
document.addEventListener("htmx:load", (event) => ownZone(event.detail.elt));
// A form that comes back with faults: at the first of them, which is read out with its field, and may lie far down.
document.querySelector('main [aria-invalid="true"]')?.focus();
// On a narrow screen the tabs scroll: one sees where one is.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

ownZone(document);
linkToken();
