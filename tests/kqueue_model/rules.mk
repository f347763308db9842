.PHONY: check-kqueue
check-kqueue: $(BUILD)/tests/behaviour  ## event_loop and await_loop on a model of kqueue, on Linux
	$(MAKE) QUEUE=kqueue_model BUILD=$(BUILD)/kqueue_model all $(BUILD)/kqueue_model/tests/kqueue_model
	@tests/kqueue_model/run.sh $(BUILD)/kqueue_model $(BUILD)/tests/behaviour
