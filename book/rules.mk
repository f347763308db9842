# The lessons as a book: see book/README.md.
BOOK = $(BUILD)/book

.PHONY: book
book:  ##s the lessons beside their sources, for a browser: build/book/index.html
	@sh book/build.sh $(BOOK)
	@echo "the book: $(BOOK)/index.html, $$(du -sk $(BOOK) | cut -f 1) KB"
