.PHONY: everything check-macos
everything: all $(TESTS) $(INSTRUMENTS) $(FLOORS) $(BUILD)/attack

check-macos:  ## compiles and links everything for macOS, on Linux
	@sh tests/macos/check.sh $(BUILD)
