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
  // Somebody may stop the loading and stay here, of which there is no event. A form sent twice takes effect once.
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});
// Coming back by the back button: the form may be sent again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
// Checked before sending: a file that is far too large would be refused before the page could show a sentence for it.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.matches("input[data-most-bytes]")) return;
  const most = Number(field.dataset.mostBytes);
  const large = [...field.files].some((file) => file.size > most);
  field.setCustomValidity(large ? `This file is too large: it may have ${most / 1024} KB.` : "");
  field.reportValidity();
});
// htmx takes from an answer the part with the id of its target. An answer without one is another page, such as the
// sign-in after a session ended: then the browser loads the requested address itself. It does not load where that
// request was redirected to, as the notice that says why went with the first answer. It does the same for the picker
// after an error, or without an answer; elements that poll just poll again.
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
// A form with faults: focus the first of them, which may be far down; screen readers then read it with its field.
document.querySelector('main [aria-invalid="true"]')?.focus();
// On a narrow screen the tabs scroll: show the current one.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

ownZone(document);
linkToken();
