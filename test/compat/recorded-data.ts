const area = {
  type: 'Polygon',
  coordinates: [
    [
      [105, 10],
      [105.5, 10],
      [105.5, 10.5],
      [105, 10],
    ],
  ],
}

/** The data of the recorded conversations: two locations, of which one has a name that looks like a number, with their shapes beside it. */
export const recordedFiles = {
  'data.csv': [
    'time_period,rainfall,mean_temperature,humidity,disease_cases,population,location',
    '2023-11,3.535,27.38,71,9,2211544.01,AN GIANG',
    '2023-12,12.1,27.1,68.5,,2211544.01,AN GIANG',
    '2024-01,4,27,70,3,2211544.01,AN GIANG',
    '2024-02,2.5,27.5,66,2,2211544.01,AN GIANG',
    '2023-11,8.2,25.9,80,4,1000123,007',
    '2023-12,9.9,25.1,81.5,7,1000123,007',
    '2024-01,8,25,82,5,1000123,007',
    '2024-02,7.5,25.5,79,6,1000123,007',
    '',
  ].join('\n'),
  'data.geojson': JSON.stringify({
    type: 'FeatureCollection',
    features: ['AN GIANG', '007'].map((id) => ({
      type: 'Feature',
      id,
      properties: { id, level: 2 },
      geometry: area,
    })),
  }),
}
