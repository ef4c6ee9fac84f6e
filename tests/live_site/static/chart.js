document.documentElement.dataset.chart = "drawn";
