"use strict";

// The search index needs a worker from a blob, which the content security policy has no room for.
Redoc.init("openapi.json", { disableSearch: true, hideDownloadButton: false }, document.getElementById("redoc"));
