// Sets the chosen theme before the first paint. Not a module, because modules run after it.
document.documentElement.dataset.theme = localStorage.getItem("warmline-theme") ?? "system";
