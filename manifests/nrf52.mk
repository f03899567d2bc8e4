# What mcconfig makes a board image by: the SDK's own rules for the nRF52, and what we set otherwise.

# Connections, their keys and Nordic's crypto front end: nobody here asks for them, and observers in linker sections
# would keep them in every image. USB is the bootloader's.
override NRF_BLE_OBJECTS =
override NRF_CRYPTO_OBJECTS =
override NRF_CRYPTO_BACKEND_CC310_OBJECTS =
override NRF_HW_CRYPTO_BACKEND_OBJECTS =
override BOARD_SUPPORT =
override USE_USB = 0

include $(MODDABLE)/tools/mcconfig/make.nrf52.mk

# The SDK puts its -O2 behind -Os for what the linker writes, so that every string begins at a word.
HW_OPT = -Os

# XS's linker, by way of ours: scripts/board/link.ts says what it does.
XSL = $(OSCORE_MESH)/node_modules/.bin/tsx $(OSCORE_MESH)/scripts/board/link.ts $(MODDABLE_TOOLS_DIR) $(OSCORE_MESH_MODULES)

# The C linker, by way of ours: scripts/board/place.ts.
LD = $(OSCORE_MESH)/node_modules/.bin/tsx $(OSCORE_MESH)/scripts/board/place.ts $(TOOLS_BIN)/$(TOOLS_PREFIX)gcc

# Tables of characters stand in named sections, so that all are in an image that uses one: in sections of their own.
$(LIB_DIR)/xsCommon.c.o $(LIB_DIR)/xsre.c.o: C_DEFINES += '-Dsection(name)=unused'

# So that boardC.c can stand in for one of its functions.
$(LIB_DIR)/xsModule.c.o: C_DEFINES += -Dstatic=
