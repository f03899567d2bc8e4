# What mcconfig makes a board image by: the SDK's own rules for the nRF52, and what we set otherwise.
include $(MODDABLE)/tools/mcconfig/make.nrf52.mk

# The SDK puts its -O2 behind -Os for what the linker writes, so that every string begins at a word.
HW_OPT = -Os

# XS's linker, by way of ours: scripts/board/link.ts says what it does.
XSL = $(OSCORE_MESH)/node_modules/.bin/tsx $(OSCORE_MESH)/scripts/board/link.ts $(MODDABLE_TOOLS_DIR) $(OSCORE_MESH_MODULES)
