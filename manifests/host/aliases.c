/* How many preloaded objects and variables have been written to: XS gives each an alias in RAM. */

#include "xsAll.h"

int aliasesInUse(txMachine* the)
{
	int count = 0;
	for (txID i = 0; i < the->aliasCount; i++)
		if (the->aliasArray[i]) count++;
	return count;
}
