const box = document.getElementById("filter"), said = document.getElementById("said");
const rows = [...document.querySelectorAll(".runs tbody tr")];
function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let seen = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    if (!row.hidden) seen += 1;
  }
  said.textContent = words.length ? `${seen} of ${rows.length} runs` : "";
}
box.addEventListener("input", show);
box.addEventListener("keydown", (event) => { if (event.key === "Escape") { box.value = ""; show(); } });
show();
