.PHONY: everything check-macos check-bsd check-musl
everything: all $(TESTS) $(INSTRUMENTS) $(FLOORS) $(BUILD)/attack

CROSS = MAKE='$(MAKE)' sh tests/cross/check.sh $(BUILD)
check-macos:  ## compiles and links everything for macOS, on Linux
	@$(CROSS) macos
check-bsd:  ## the same for FreeBSD, and the programs for NetBSD
	@$(CROSS) freebsd netbsd
check-musl: $(BUILD)/tests/behaviour  ## compiles and links the programs with musl, and tests them
	@$(CROSS) musl
