"""`milepost check`: proves on a copy of a notebook that one that was killed and resumed equals an uninterrupted one."""
