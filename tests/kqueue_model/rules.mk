ON_MODEL = $(MAKE) QUEUE=kqueue_model BUILD=$(BUILD)/kqueue_model

# ReadyQueue's own cases stand beside the model's.
$(BUILD)/tests/kqueue_model: $(call objects,tests/unit/ready_queue_test.cpp tests/unit/socket_pair.cpp \
                               tests/kit/response.cpp)

.PHONY: check-kqueue
check-kqueue: $(BUILD)/tests/behaviour $(BUILD)/grade $(BUILD)/attack  ## what stands on kqueue, on Linux, on a model of it
	$(ON_MODEL) all $(BUILD)/kqueue_model/tests/kqueue_model $(BUILD)/kqueue_model/solutions/edge_triggered
	@sh tests/kqueue_model/run.sh $(BUILD)/kqueue_model $(BUILD)/tests/behaviour $(BUILD)/grade
	@sh tests/attack/sketches.sh $(BUILD)/kqueue_model '$(MAKE)' $(BUILD)/attack sketch_kqueue
