#include "boardSoftDevice.h"

#include "xsHost.h"

#include "FreeRTOS.h"
#include "task.h"

#include "nrf_sdh.h"
#include "nrf_sdh_ble.h"
#include "nrf_sdh_freertos.h"

#define CONNECTION_CONFIGURATION 1

/* Moddable's main task and the SoftDevice's event task share FreeRTOS's top priority, and would take turns by the
 * tick. One below, JavaScript is preempted at once when an event comes, so that a scan goes on within microseconds. */
#define MAIN_PRIORITY 1

void boardSoftDeviceEnable(xsMachine *the)
{
	uint32_t ram = 0;

	if (nrf_sdh_is_enabled())
		return;
	if (NRF_SUCCESS != nrf_sdh_enable_request())
		xsUnknownError("SoftDevice not enabled");
	if (NRF_SUCCESS != nrf_sdh_ble_default_cfg_set(CONNECTION_CONFIGURATION, &ram))
		xsUnknownError("SoftDevice not configured");
	if (NRF_SUCCESS != nrf_sdh_ble_enable(&ram))
		xsUnknownError("BLE not enabled");
	nrf_sdh_freertos_init(NULL, NULL);
	vTaskPrioritySet(NULL, MAIN_PRIORITY);
}
