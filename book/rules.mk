# The lessons as a book: see book/README.md.
BOOK = $(BUILD)/book
CHROMIUM ?= chromium

.PHONY: book
book:  ##s the lessons beside their sources, for a browser: build/book/index.html
	@sh book/build.sh $(BOOK)
	@echo "the book: $(BOOK)/index.html, $$(du -sk $(BOOK) | cut -f 1) KB"

.PHONY: check-book
check-book: book $(BUILD)/quiz  ## opens the book in a browser and uses it as a reader does
	@CHROMIUM=$$(command -v $(CHROMIUM)) QUIZ=$(BUILD)/quiz sh book/check/check.sh $(BOOK) '$(CASE)'
