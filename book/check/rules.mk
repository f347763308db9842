# The book, tried in a browser: see check.js. npm once, for what drives the browser.
CHROMIUM ?= chromium

.PHONY: check-book
check-book: book $(BUILD)/quiz  ## opens the book in a browser and uses it as a reader does
	@CHROMIUM=$$(command -v $(CHROMIUM)) QUIZ=$(BUILD)/quiz sh book/check/check.sh $(BOOK) '$(CASE)'
