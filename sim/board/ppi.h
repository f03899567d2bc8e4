/* PS, PPI: an event of one peripheral triggers a task of another without the CPU. */
#ifndef PPI_H
#define PPI_H

#include <stdint.h>

void ppiBegin(void);
void ppiEvent(uint32_t address);

/* What the SoftDevice's calls do with it. */
uint32_t ppiEnabled(void);
void ppiEnable(uint32_t set, uint32_t clear);
void ppiAssign(int channel, uint32_t event, uint32_t task);
uint32_t ppiGroup(int group);
void ppiSetGroup(int group, uint32_t channels);
void ppiGroupTask(int group, int enable);

#endif
